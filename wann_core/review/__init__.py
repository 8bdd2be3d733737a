"""What follows an audit: verdicts, labels after review, what they change, ways out and in."""
