"""The service's command line client: one shot given by options, or a file of shots."""
