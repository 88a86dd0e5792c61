package drivertest

import (
	"github.com/flowlog/checkpoint/driver"
)

func classCases() []Case {
	return []Case{
		{Name: "class/new", Rule: "a new run has the class of its change, 0 without one, and never that of its Head", run: classNew},
		{Name: "class/append", Rule: "an append can change the class, at once, and leaves the revision as it is", run: classAppend},
		{Name: "class/kept", Rule: "a change without a Class leaves the class as it is", run: classKept},
		{Name: "class/list", Rule: "Class restricts Heads to the runs of that class, in the order of Newest", run: classList},
		{Name: "class/moved", Rule: "a run whose class changed is listed in its new class, and in no other", run: classMoved},
	}
}

// wantClass expects the class of a run in its head and in the lists of classes.
func (t *tester) wantClass(id string, want uint8) {
	if h := t.head(id); h.Class != want {
		t.errorf("Head of run %s: Class is %d, must be %d", quote(id), h.Class, want)
	}
	for _, n := range []uint8{0, 1, 3, 4, 5, 6, 127, 128, 254, 255} {
		req := driver.HeadsRequest{Newest: true, Class: class(n), Prefix: id, Limit: 10}
		found := false
		for _, h := range t.heads(req) {
			found = found || h.Run == id
		}
		if is := n == want; found != is {
			t.errorf("Heads %s: lists run %s: %t, must be %t", listing(req), quote(id), found, is)
		}
	}
}

func classNew(t *tester) {
	for _, n := range []uint8{0, 1, 127, 128, 255} {
		id := string('a' + rune(n))
		t.apply(driver.Change{Run: id, Class: class(n), Head: head(1, 1), Append: records(1, 1, id)})
		t.wantClass(id, n)
	}
	t.create("plain", 1)
	t.wantClass("plain", 0)
	t.apply(driver.Change{Run: "empty", Class: class(4), Head: head(1, 0)})
	t.wantClass("empty", 4)
}

func classAppend(t *tester) {
	row := head(1, 1)
	revision := t.create("a", 1)
	t.create("aa", 1)
	for i, n := range []uint8{3, 3, 0, 255, 1} {
		seq := uint64(i + 2)
		t.apply(driver.Change{Run: "a", Revision: revision, Class: class(n), Append: records(seq, seq, "a")})
		t.wantClass("a", n)
		want := headOf("a", revision, row, records(1, seq, "a"))
		want.Class = n
		if d := diffHead(want, t.head("a")); d != "" {
			t.errorf("Head of run %s after an append with a class: %s", quote("a"), d)
		}
	}
	t.wantClass("aa", 0)
}

// classKept does all that a change without a class can do.
func classKept(t *tester) {
	revision := t.apply(driver.Change{Run: "a", Class: class(5), Head: head(1, 2), Append: records(1, 2, "a")}).Revision
	t.extend("a", revision, 3, 5)
	t.wantClass("a", 5)
	res := t.apply(driver.Change{Run: "a", Revision: revision, Head: head(4, 5), Add: []driver.Segment{segment(1, 3, "a")}, Rewrite: records(5, 5, "new")})
	t.wantClass("a", 5)
	far := record(6, "a")
	far.Recency = 100 * driver.Lag // it is placed anew
	t.apply(driver.Change{Run: "a", Revision: res.Revision, Append: []driver.Record{far}, Put: []driver.Entry{entry("x", "y")}})
	t.wantClass("a", 5)
	row := head(4, 6)
	row.Recency = 200 * driver.Lag
	t.apply(driver.Change{Run: "a", Revision: res.Revision, Head: row})
	t.purge()
	t.wantClass("a", 5)
	// A new row can come with a class, and a new life begins with its own.
	t.apply(driver.Change{Run: "a", Revision: t.revision("a"), Head: row, Class: class(6)})
	t.wantClass("a", 6)
	t.drop("a")
	t.create("a", 1)
	t.wantClass("a", 0)
}

// classList gives every odd id a class and pages through each, with and without a
// prefix.
func classList(t *tester) {
	var heads []driver.Head
	for i, h := range fill(t) {
		n := []uint8{0, 1, 2, 1, 255}[i%5]
		r := record(2, h.Run)
		r.Recency = h.Recency
		t.apply(driver.Change{Run: h.Run, Revision: h.Revision, Class: class(n), Append: []driver.Record{r}})
		heads = append(heads, t.head(h.Run))
	}
	for _, n := range []uint8{0, 1, 2, 3, 254, 255} {
		for _, req := range []driver.HeadsRequest{{Limit: 1}, {Limit: 4}, {Limit: 1000}, {Prefix: "a", Limit: 2}} {
			req.Newest, req.Class = true, class(n)
			t.wantListing(req, ordered(heads, req))
		}
	}
}

// classMoved moves runs between two classes, some of equal recency.
func classMoved(t *tester) {
	ids := []string{"a", "b", "c", "d"}
	heads := map[string]driver.Head{}
	for i, id := range ids {
		r := record(1, id)
		r.Recency = 10 * driver.Lag
		t.apply(driver.Change{Run: id, Class: class(uint8(i % 2)), Head: head(1, 0), Append: []driver.Record{r}})
		heads[id] = t.head(id)
	}
	for step := range uint64(12) {
		id := ids[step*3%4]
		h := heads[id]
		r := record(lastOf(h)+1, id)
		r.Recency = (10 + step/2) * driver.Lag
		t.apply(driver.Change{Run: id, Revision: h.Revision, Class: class(1 - h.Class), Append: []driver.Record{r}})
		heads[id] = t.head(id)
		if heads[id].Class != 1-h.Class {
			t.errorf("Head of run %s: Class is %d, must be %d", quote(id), heads[id].Class, 1-h.Class)
		}
		var all []driver.Head
		for _, h := range heads {
			all = append(all, h)
		}
		for n := range uint8(3) {
			req := driver.HeadsRequest{Newest: true, Class: class(n), Limit: 10}
			t.wantPage(req, ordered(all, req))
		}
	}
}
