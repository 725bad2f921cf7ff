"""The only door to SQL: one engine file, one schema, one owner file per group of tables."""
