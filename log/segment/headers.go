package segment

import "encoding/binary"

// appendHeaders writes the headers' lengths and their bytes.
func appendHeaders(t, tail []byte, entries []Entry) (table, rest []byte) {
	for _, e := range entries {
		t = binary.AppendUvarint(t, uint64(len(e.Header)))
	}
	for _, e := range entries {
		t = append(t, e.Header...)
	}
	return t, tail
}

// readHeaders reads what appendHeaders wrote. The headers alias the table.
func readHeaders(t, tail *reader, entries []Entry) error {
	for i := range entries {
		n, err := t.number("header's length", uint64(len(t.b)))
		if err != nil {
			return err
		}
		entries[i].Header = make([]byte, 0)[:0:0]
		entries[i].Stored = int64(n)
	}
	for i := range entries {
		b, err := t.bytes("header", int(entries[i].Stored))
		if err != nil {
			return err
		}
		entries[i].Header = b
	}
	return nil
}
