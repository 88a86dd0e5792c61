package drivertest

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

func entryCases() []Case {
	return []Case{
		{Name: "entries/none", Rule: "Entries of a run that doesn't exist, or has none, are none and no error", run: entriesNone},
		{Name: "entries/given", Rule: "the key and the value of an entry read back byte for byte", run: entriesGiven},
		{Name: "entries/order", Rule: "Entries are in ascending order of their keys, as bytes", run: entriesOrder},
		{Name: "entries/reverse", Rule: "Entries with Reverse are in descending order of their keys", run: entriesReverse},
		{Name: "entries/range", Rule: "Entries returns the entries from From up to, but without, To", run: entriesRange},
		{Name: "entries/limit", Rule: "Entries returns Limit entries, fewer only at the end of the range", run: entriesLimit},
		{Name: "entries/max-bytes", Rule: "a page of entries ends before it would hold more than MaxBytes bytes of keys and values, but for its first", run: entriesMaxBytes},
		{Name: "entries/own", Rule: "a change of entries changes those of its own run only", run: entriesOwn},
		{Name: "entries/put", Rule: "Put sets each of its entries, whole, whether or not it was there, and no others", run: entriesPut},
		{Name: "entries/append", Rule: "Put and Remove with an append leave the revision and the row as they are", run: entriesAppend},
		{Name: "entries/remove", Rule: "Remove removes the entries in its ranges, and no others", run: entriesRemove},
		{Name: "entries/remove-first", Rule: "Remove is done before Put", run: entriesRemoveFirst},
		{Name: "entries/rewrite", Rule: "entries that are removed with a Rewrite are gone when it is made", run: entriesRewrite},
	}
}

// oddKeys are keys that a storage may confuse, in ascending order.
func oddKeys() []string {
	keys := []string{
		"\x00", "\x00\x00", "\x00\xff", "\x01", " ", "%", "'", "0", "1", "10", "2", "A", "B", "_", "a", "a\x00", "a\x00b", "a ", "aA", "aa", "ab", "b",
		"e\u0301", "ss", "\x7f", "\x80", "\xc3", "é", "ß", "\xff", "\xff\x00", "\xff\xff", strings.Repeat("\xff", driver.MaxKey-1), strings.Repeat("\xff", driver.MaxKey),
		strings.Repeat("k", driver.MaxKey), strings.Repeat("k", driver.MaxKey-1),
	}
	slices.Sort(keys)
	return keys
}

// keyed gives the run "a" an entry for each odd key, in no order, and others around it,
// and returns its entries in order.
func keyed(t *tester) []driver.Entry {
	var want []driver.Entry
	for i, key := range oddKeys() {
		want = append(want, entry(key, strings.Repeat("v", i*7%19)))
	}
	put := make([]driver.Entry, 0, len(want))
	for i := range want {
		put = append(put, want[i*17%len(want)])
	}
	half := len(put) / 2
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 0), Put: put[:half]}).Revision
	t.apply(driver.Change{Run: "a", Revision: revision, Append: records(1, 1, "a"), Put: put[half:]})
	for _, id := range []string{"A", "a\x00", "aa"} {
		t.apply(driver.Change{Run: id, Head: head(1, 0), Put: []driver.Entry{entry("a", "other"), entry("zz", "other")}})
	}
	return want
}

// entryPage is what a request must return of a run's entries.
func entryPage(all []driver.Entry, req driver.EntriesRequest) []driver.Entry {
	all = slices.Clone(all)
	if req.Reverse {
		slices.Reverse(all)
	}
	var out []driver.Entry
	var size int64
	for _, e := range all {
		if bytes.Compare(e.Key, req.From) < 0 || req.To != nil && bytes.Compare(e.Key, req.To) >= 0 {
			continue
		}
		size += int64(len(e.Key) + len(e.Value))
		if len(out) == req.Limit || req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out
}

func entriesNone(t *tester) {
	t.create("a", 2)
	t.apply(driver.Change{Run: "a\x00", Head: head(1, 0), Put: []driver.Entry{entry("x", "y")}})
	for _, id := range []string{"a", "no such run"} {
		t.wantEntries(id)
		t.wantEntryPage(driver.EntriesRequest{Run: id, EntryRange: only("x"), Reverse: true, Limit: 1}, nil)
	}
}

func entriesGiven(t *tester) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var want []driver.Entry
	for i, value := range [][]byte{
		nil, {}, {0}, []byte("a\x00b"), []byte("\xff\xfe\xc3("), []byte(`{"a": 1}`), []byte("12"), []byte(" x \r\n"), every, bytes.Repeat([]byte{0}, 5000), noise(4096), noise(1 << 20),
	} {
		want = append(want, driver.Entry{Key: every[20*i : 20*i+20], Value: value})
	}
	t.apply(driver.Change{Run: "a", Head: head(1, 0), Put: want})
	t.wantEntries("a", want...)
	for _, e := range want {
		t.wantEntryPage(driver.EntriesRequest{Run: "a", EntryRange: only(string(e.Key)), Limit: 1}, []driver.Entry{e})
	}
}

func entriesOrder(t *tester) { t.wantEntries("a", keyed(t)...) }

func entriesReverse(t *tester) {
	want := keyed(t)
	req := allEntries("a")
	req.Reverse = true
	t.wantEntryPage(req, entryPage(want, req))
}

func entriesRange(t *tester) {
	want := keyed(t)
	ends := []string{"", "\x00", "\x00\x00", "1", "11", "a", "a\x00", "ab", "é", "\xff", "\xff\xff", strings.Repeat("\xff", driver.MaxKey)}
	for i, from := range ends {
		for j, to := range append(ends[1:], "no bound") { // also where there is nothing between them
			if raceEnabled && (i+j)%2 == 0 {
				continue
			}
			for _, reverse := range []bool{false, true} {
				req := driver.EntriesRequest{Run: "a", EntryRange: driver.EntryRange{From: []byte(from), To: []byte(to)}, Reverse: reverse, Limit: 100}
				if from == "" {
					req.From = nil
				}
				if to == "no bound" {
					req.To = nil
				}
				t.wantEntryPage(req, entryPage(want, req))
			}
		}
	}
}

// entriesLimit pages through a range in both directions.
func entriesLimit(t *tester) {
	all := keyed(t)
	for _, limit := range []int{1, 2, 7, len(all) - 1, len(all), len(all) + 1, math.MaxInt32} {
		for _, reverse := range []bool{false, true} {
			req := driver.EntriesRequest{Run: "a", Reverse: reverse, Limit: limit}
			for range len(all) + 1 {
				want := entryPage(all, req)
				t.wantEntryPage(req, want)
				if len(want) == 0 {
					break
				}
				if last := want[len(want)-1].Key; reverse {
					req.To = last
				} else {
					req.From = append(bytes.Clone(last), 0)
				}
			}
		}
	}
}

func entriesMaxBytes(t *tester) {
	all := keyed(t)
	// Bounds at which a page just holds its last entry, and one byte less.
	for n := 1; n <= len(all); n++ {
		for _, reverse := range []bool{false, true} {
			req := driver.EntriesRequest{Run: "a", Reverse: reverse, Limit: n}
			var size int64
			for _, e := range entryPage(all, req) {
				size += int64(len(e.Key) + len(e.Value))
			}
			for _, req.MaxBytes = range []int64{size - 1, size, size + 1} {
				req.Limit = 100
				if req.MaxBytes > 0 {
					t.wantEntryPage(req, entryPage(all, req))
				}
			}
		}
	}
}

func entriesOwn(t *tester) {
	ids := []string{"a", "a\x00", "A", "b"}
	for _, id := range ids {
		t.apply(driver.Change{Run: id, Head: head(1, 0), Put: []driver.Entry{entry("x", id), entry("y", id)}})
	}
	for i, id := range ids {
		t.apply(driver.Change{Run: id, Revision: t.revision(id), Head: head(1, 0), Put: []driver.Entry{entry("y", "new "+id)}, Remove: []driver.EntryRange{only("x")}})
		for j, other := range ids {
			if j <= i {
				t.wantEntries(other, entry("y", "new "+other))
			} else {
				t.wantEntries(other, entry("x", other), entry("y", other))
			}
		}
	}
}

func entriesPut(t *tester) {
	put := []driver.Entry{entry("b", "a long value"), entry("d", "d"), entry("f", "")}
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 0), Put: put}).Revision
	t.wantEntries("a", put...)
	// Shorter and longer than before, and between those that are there.
	put = []driver.Entry{entry("f", "no longer empty"), entry("c", "c"), entry("b", "short"), entry("a", "a")}
	revision = t.apply(driver.Change{Run: "a", Revision: revision, Head: head(1, 0), Put: put}).Revision
	t.wantEntries("a", entry("a", "a"), entry("b", "short"), entry("c", "c"), entry("d", "d"), entry("f", "no longer empty"))
	large := driver.Entry{Key: []byte("d"), Value: noise(300_000)}
	t.apply(driver.Change{Run: "a", Revision: revision, Append: records(1, 1, "a"), Put: []driver.Entry{large, entry("f", "")}})
	t.purge()
	t.wantEntries("a", entry("a", "a"), entry("b", "short"), entry("c", "c"), large, entry("f", ""))
}

func entriesAppend(t *tester) {
	revision, row := t.create("a", 1), head(1, 1)
	var want []driver.Entry
	for seq := uint64(2); seq < 8; seq++ {
		c := driver.Change{Run: "a", Revision: revision, Append: records(seq, seq, "a"), Put: []driver.Entry{entry(string('a'+rune(seq)), "value")}}
		if want = append(want, c.Put...); seq%3 == 0 {
			c.Remove = []driver.EntryRange{only(string(want[0].Key))}
			want = want[1:]
		}
		if res := t.apply(c); res.Revision != revision {
			t.errorf("an append with entries at revision %d has a result with revision %d", revision, res.Revision)
		}
		t.wantHeads("a", revision, row, records(1, seq, "a"))
		t.wantEntries("a", want...)
	}
}

func entriesRemove(t *tester) {
	all := keyed(t)
	for _, ranges := range [][]driver.EntryRange{
		{only("a")}, {only("no such key")}, {{From: []byte("b"), To: []byte("b")}}, {{From: []byte("z"), To: []byte("c")}},
		{{From: []byte("\xff\xff")}}, {{To: []byte("\x01")}}, {{From: []byte("A"), To: []byte("a")}, only("ab"), {From: []byte("aA"), To: []byte("ab")}}, {{}},
	} {
		c := driver.Change{Run: "a", Revision: t.revision("a"), Head: head(1, 1), Remove: ranges}
		for _, r := range ranges {
			all = slices.DeleteFunc(all, func(e driver.Entry) bool {
				return bytes.Compare(e.Key, r.From) >= 0 && (r.To == nil || bytes.Compare(e.Key, r.To) < 0)
			})
		}
		t.apply(c)
		t.wantEntries("a", all...)
		t.purge()
		t.wantEntries("a", all...)
	}
	t.wantEntries("aa", entry("a", "other"), entry("zz", "other"))
}

func entriesRemoveFirst(t *tester) {
	before := []driver.Entry{entry("a", "1"), entry("b", "2"), entry("c", "3")}
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 0), Put: before}).Revision
	t.apply(driver.Change{
		Run: "a", Revision: revision, Append: records(1, 1, "a"),
		Remove: []driver.EntryRange{{From: []byte("b")}}, Put: []driver.Entry{entry("b", "new"), entry("d", "4")},
	})
	t.wantEntries("a", entry("a", "1"), entry("b", "new"), entry("d", "4"))
	t.apply(driver.Change{
		Run: "a", Revision: revision, Append: records(2, 2, "a"), Remove: []driver.EntryRange{{}}, Put: []driver.Entry{entry("e", "5")},
	})
	t.wantEntries("a", entry("e", "5"))
}

// entriesRewrite drops the states of some records, and with each the entry that led to
// it.
func entriesRewrite(t *tester) {
	key := func(seq uint64) string { return string('a' + rune(seq)) }
	tail := records(1, 6, "a")
	var want []driver.Entry
	for _, r := range tail {
		want = append(want, entry(key(r.Seq), string(r.Header)))
	}
	revision := t.apply(driver.Change{Run: "a", Head: head(1, 6), Append: tail, Put: want}).Revision
	for _, seq := range []uint64{2, 6, 3} {
		pruned := tail[seq-1]
		pruned.Encoding, pruned.State = driver.Pruned, nil
		tail[seq-1] = pruned
		want = slices.DeleteFunc(want, func(e driver.Entry) bool { return string(e.Key) == key(seq) })
		revision = t.apply(driver.Change{
			Run: "a", Revision: revision, Head: head(1, 6), Rewrite: []driver.Record{pruned}, Remove: []driver.EntryRange{only(key(seq))},
		}).Revision
		for range 2 {
			t.wantTail("a", tail)
			t.wantEntries("a", want...)
			t.wantEntryPage(driver.EntriesRequest{Run: "a", EntryRange: only(key(seq)), Limit: 1}, nil)
			t.purge()
		}
	}
	// The same where what is dropped is sealed.
	sealed := []driver.Segment{segment(1, 4, "a")}
	t.apply(driver.Change{Run: "a", Revision: revision, Head: head(5, 6), Add: sealed, Remove: []driver.EntryRange{{To: []byte(key(5))}}})
	t.wantEntries("a", entry(key(5), string(tail[4].Header)))
}
