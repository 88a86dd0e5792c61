package statediff

// Patch returns the difference as a JSON Patch (RFC 6902) that makes the new document of the old one, in
// value: its operations are "add", "remove" and "replace", one for each change, in their order. Added and
// changed values are as written in the new document.
func (d *Diff) Patch() []byte {
	b := []byte{'['}
	for i := range d.Changes {
		b = appendOperation(b, &d.Changes[i], d.Changes[i].Kind, d.Changes[i].New)
	}
	return append(b, ']')
}

// Inverse returns the patch that makes the old document of the new one.
func (d *Diff) Inverse() []byte {
	// Undone from the last change to the first, each is found where the patch found it.
	b := []byte{'['}
	for i := len(d.Changes) - 1; i >= 0; i-- {
		kind := d.Changes[i].Kind
		switch kind {
		case Added:
			kind = Removed
		case Removed:
			kind = Added
		}
		b = appendOperation(b, &d.Changes[i], kind, d.Changes[i].Old)
	}
	return append(b, ']')
}

func appendOperation(b []byte, c *Change, kind Kind, value []byte) []byte {
	if len(b) > 1 {
		b = append(b, ",\n"...)
	}
	b = append(b, `{"op":`...)
	b = append(b, map[Kind]string{Added: `"add"`, Removed: `"remove"`, Changed: `"replace"`}[kind]...)
	b = append(b, `,"path":`...)
	b = appendQuoted(b, string(c.at))
	if kind != Removed {
		b = append(b, `,"value":`...)
		b = append(b, value...)
	}
	return append(b, '}')
}
