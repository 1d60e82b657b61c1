"""What `outlast doctor` looks at. Nothing here changes anything."""
