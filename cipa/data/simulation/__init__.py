"""The generating process of the shipped survey, network and panel."""
