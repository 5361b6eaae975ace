"""The live view: simulated robots in a page of the browser, steered by hand. Three of its files import viser."""
