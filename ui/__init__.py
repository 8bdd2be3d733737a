"""What the pages share: settings, engine calls in the background, charts, cards, downloads."""
