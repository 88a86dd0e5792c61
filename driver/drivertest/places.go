package drivertest

import (
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

func placeCases() []Case {
	return []Case{
		{Name: "place/bounds", Rule: "Place is at most Recency and less than Lag behind it, after every change", run: placeBounds},
		{Name: "place/recency", Rule: "Place is a Recency that the run had, and goes forward only", run: placeRecency},
		{Name: "place/order", Rule: "a run whose last event came Lag or more after another's is listed before it", run: placeOrder},
	}
}

// placing is a run that gets events at certain distances.
type placing struct {
	t        *tester
	id       string
	row      *driver.Head
	revision uint64
	tail     []driver.Record
	now      uint64
}

// paces are distances between events.
func paces() []uint64 {
	return []uint64{1, driver.Lag / 3, driver.Lag / 3, driver.Lag / 3, driver.Lag/3 + 1, driver.Lag - 1, 1, driver.Lag, driver.Lag + 1, 90 * driver.Lag, 0, driver.Lag - 1, driver.Lag - 1}
}

func newPlacing(t *tester, id string) *placing {
	p := &placing{t: t, id: id, row: &driver.Head{Recency: 1, Tail: 1, Data: []byte(`{}`)}, now: 1_700_000_000_000_000_000}
	r := record(1, id)
	r.Recency = p.now
	p.tail = []driver.Record{r}
	p.revision = t.apply(driver.Change{Run: id, Head: p.row, Append: p.tail}).Revision
	return p
}

// event appends an event some time after the last.
func (p *placing) event(after uint64) {
	p.now += after
	r := record(p.tail[len(p.tail)-1].Seq+1, p.id)
	r.Recency = p.now
	p.tail = append(p.tail, r)
	p.t.apply(driver.Change{Run: p.id, Revision: p.revision, Append: []driver.Record{r}})
}

// seal seals all of the tail but its last record, or all.
func (p *placing) seal(all bool) {
	last := p.tail[len(p.tail)-1].Seq
	row := *p.row
	row.Tail, row.Recency = last, p.now
	left := p.tail[len(p.tail)-1:]
	if all {
		row.Tail, left = last+1, nil
	}
	sealed := []driver.Segment{segment(p.row.Tail, row.Tail-1, p.id)}
	p.row = &row
	p.revision = p.t.apply(driver.Change{Run: p.id, Revision: p.revision, Head: p.row, Add: sealed}).Revision
	p.t.wantHeads(p.id, p.revision, p.row, left)
	p.t.purge()
	p.t.wantHeads(p.id, p.revision, p.row, left)
	p.tail = left
}

func placeBounds(t *tester) {
	p := newPlacing(t, "a")
	t.wantHeads("a", p.revision, p.row, p.tail)
	for _, after := range paces() {
		p.event(after)
		t.wantHeads("a", p.revision, p.row, p.tail)
	}
	p.seal(false)
	for _, after := range paces() {
		p.event(after)
		t.wantHeads("a", p.revision, p.row, p.tail)
	}
	p.seal(true)
	// A row can be more recent than the last event.
	row := *p.row
	row.Recency = p.now + 3*driver.Lag
	revision := t.apply(driver.Change{Run: "a", Revision: p.revision, Head: &row}).Revision
	t.wantHeads("a", revision, &row, nil)
}

func placeRecency(t *tester) {
	p := newPlacing(t, "a")
	had, last := map[uint64]bool{1: true, p.now: true}, uint64(0)
	look := func(what string) {
		h := t.head("a")
		if !had[h.Place] {
			t.errorf("%s Place is %d, which was never the run's Recency; that is %d", what, h.Place, h.Recency)
		}
		if h.Place < last {
			t.errorf("%s Place is %d, and was %d before", what, h.Place, last)
		}
		last = h.Place
	}
	look("of a new run")
	for _, after := range paces() {
		p.event(after)
		had[p.now] = true
		look(fmt.Sprintf("after an event that came %d ns after the last", after))
		if after == driver.Lag {
			p.seal(false)
			look("after a seal")
		}
	}
}

// placeOrder has two runs that overtake each other, and others around them.
func placeOrder(t *tester) {
	for _, id := range []string{"0", "z"} {
		newPlacing(t, id)
	}
	runs := []*placing{newPlacing(t, "a"), newPlacing(t, "b")}
	now := runs[0].now
	for i, after := range []uint64{driver.Lag, driver.Lag, 2 * driver.Lag, driver.Lag + 1, 60 * driver.Lag, driver.Lag} {
		p, other := runs[i%2], runs[(i+1)%2]
		now += after
		p.event(now - p.now)
		heads := t.heads(driver.HeadsRequest{Newest: true, Limit: 2})
		want := []*placing{p, other}
		if i == 0 {
			want = want[:1] // the others are of equal recency
		}
		for j, w := range want {
			if j >= len(heads) || heads[j].Run != w.id {
				t.errorf("Heads newest first after an event of run %s, %d ns after one of %s: got %s, number %d must be %s",
					quote(p.id), after, quote(other.id), ids(heads), j+1, quote(w.id))
			}
		}
	}
}
