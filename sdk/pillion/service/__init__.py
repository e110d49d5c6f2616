"""What users declare: contracts, services and their parts. Pure data; nothing here runs or does I/O."""
