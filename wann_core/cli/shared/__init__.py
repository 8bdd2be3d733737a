"""What commands share: flags, columns of tables, what PATH names, the terminal."""
