"""The tabs of the page, one file each: components, and what happens when they are used."""
