"""The observed firms: read, screened, scored."""
