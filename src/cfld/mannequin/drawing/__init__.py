"""Drawing of mannequins, all determined by random seeds; `cfld.mannequin` has the public names."""
