package segment

// appendMetas writes the entries' metas: their lengths, and then their bytes place by
// place, each less the byte at the same place of the last entry that has one. So what
// is the same in all of them, or grows evenly, is a row of equal bytes.
func appendMetas(t []byte, entries []Entry) []byte {
	longest := 0
	for i := range entries {
		n := len(entries[i].Meta)
		t = append(t, byte(n))
		longest = max(longest, n)
	}
	for place := range longest {
		last := byte(0)
		for i := range entries {
			if m := entries[i].Meta; place < len(m) {
				t = append(t, m[place]-last)
				last = m[place]
			}
		}
	}
	return t
}

// readMetas gives the entries their metas, which share no memory with the table.
func readMetas(t *reader, entries []Entry) error {
	lengths, err := t.bytes("metas' lengths", len(entries))
	if err != nil {
		return err
	}
	total, longest := 0, 0
	for _, n := range lengths {
		total += int(n)
		longest = max(longest, int(n))
	}
	diffs, err := t.bytes("metas", total)
	if err != nil || total == 0 {
		return err
	}
	all := make([]byte, total)
	for i, n := range lengths {
		if n > 0 {
			entries[i].Meta, all = all[:n:n], all[n:]
		}
	}
	for place := range longest {
		last := byte(0)
		for i := range entries {
			if m := entries[i].Meta; place < len(m) {
				last += diffs[0]
				m[place], diffs = last, diffs[1:]
			}
		}
	}
	return nil
}
