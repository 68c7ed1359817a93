"""The tab with the platform's services, and with where its shots come from."""
