"""Files into tables: a file a format family, and what each had to be told about its reading."""
