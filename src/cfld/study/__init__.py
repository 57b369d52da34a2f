"""The user study of section 4.4 as a web site, with its metrics R2G, G2R and Jab: `cfld study`."""
