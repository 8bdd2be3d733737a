"""Which labels of a data set look wrong, why, how sure that is, and how many there are."""
