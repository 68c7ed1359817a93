"""The command line of whoever asks the service: one shot by its options, or a file of shots with its answers."""
