package main

// jsonList writes values as one JSON array, or each on a line of its own, as they
// come.
type jsonList struct {
	*screen
	format format
	n      int
}

func (l *jsonList) add(v any) error {
	if l.n++; l.format == formatJSONL {
		return writeJSON(l.screen, formatJSONL, v)
	}
	if l.n == 1 {
		l.printf("[\n  ")
	} else {
		l.printf(",\n  ")
	}
	return writeIndented(l.screen, v, "  ")
}

func (l *jsonList) end() {
	switch {
	case l.format == formatJSONL:
	case l.n == 0:
		l.printf("[]\n")
	default:
		l.printf("\n]\n")
	}
}
