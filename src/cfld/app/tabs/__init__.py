"""The page's tabs, one file each, and the controls that they share."""
