"""The tab of the services that are up, and of where the shots come from."""
