"""Commands that judge, review and export labels, a file each."""
