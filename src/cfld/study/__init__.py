"""The user study of section 4.4 as a site: R2G, G2R and Jab. `cfld study create | serve | results`."""
