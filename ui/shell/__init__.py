"""The frame of every page: navigation, sidebar, controls, theme, sentences, uploads."""
