"""Architecture families: what is one file or folder for each of them."""
