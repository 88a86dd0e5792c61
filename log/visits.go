package log

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/flowlog/checkpoint/driver"
)

// openBlock holds the visits after the last full block of a run, which the next append
// needs. Copies share its slices; only the newest copy is added to.
type openBlock struct {
	visits []visit
	before map[visitKey]uint64 // visits before the block, of the keys that were asked for
}

// openBlock reads it.
func (r *reader) openBlock(ctx context.Context) (openBlock, error) {
	from, _ := blockOf(r.run.Last + 1)
	visits, err := r.visits(ctx, from, r.run.Last)
	if err != nil {
		return openBlock{}, err
	}
	// A damaged event can be of any node: the index could not be continued.
	return openBlock{visits: visits}, damageOf(visits)
}

// visits reads the existing events of a range. A damaged record does not stop a search that
// finds what it looks for before it.
func (r *reader) visits(ctx context.Context, from, to uint64) ([]visit, error) {
	from = max(from, r.run.first())
	if from > to {
		return nil, nil
	}
	if s := &r.seen; s.revision == r.run.revision && s.from == from && s.to == to {
		return slices.Clone(s.visits), nil
	}
	visits := make([]visit, 0, to-from+1)
	for rec, err := range r.scan(ctx, HistoryOptions{From: from, To: to, HeadersOnly: true}) {
		if err != nil {
			return nil, err
		}
		v, err := r.visitAt(rec)
		if errors.Is(err, ErrCorrupt) {
			v = visit{seq: rec.Seq, damage: err}
		} else if err != nil {
			return nil, err
		}
		visits = append(visits, v)
	}
	r.seen = seenVisits{r.run.revision, from, to, slices.Clone(visits)}
	return visits, nil
}

// visitAt checks a record and returns its visit.
func (r *reader) visitAt(rec *record) (visit, error) {
	if err := rec.check(&r.run); err != nil {
		return visit{}, err
	}
	if v, ok := glimpse(rec); ok {
		return v, nil
	}
	h, err := r.run.parse(&rec.Record)
	return visitOf(&h, rec), err
}

// damageOf returns the damage of the newest of some visits that is damaged.
func damageOf(visits []visit) error {
	for _, v := range slices.Backward(visits) {
		if v.damage != nil {
			return v.damage
		}
	}
	return nil
}

// seenVisits are the visits of a range of events, as they were at a revision of the run.
type seenVisits struct {
	revision, from, to uint64
	visits             []visit
}

// glimpse is visitOf for a checkpoint's header written as marshal writes it, without
// parsing all of it: nothing is nested before its node or after its visit. The search
// includes quotes, which no string in the header can hold.
func glimpse(r *record) (visit, bool) {
	const node, number = `"node":"`, `,"visit":`
	from := bytes.Index(r.Header, []byte(node)) + len(node)
	at := bytes.LastIndex(r.Header, []byte(number))
	if r.Flags != 0 || from < len(node) || at < from || bytes.Count(r.Header[:from], []byte("{")) != 1 {
		return visit{}, false
	}
	name, rest := r.Header[from:], r.Header[at+len(number):]
	end, digits := bytes.IndexAny(name, `"\\`), bytes.IndexAny(rest, ",}")
	if end <= 0 || name[end] != '"' || digits <= 0 || bytes.IndexByte(rest, '{') >= 0 {
		return visit{}, false
	}
	n, err := strconv.ParseUint(string(rest[:digits]), 10, 32)
	return visit{key: keyOf(Recoverable, string(name[:end])), seq: r.Seq, n: n, taken: r.taken()}, err == nil
}

// visitNumber returns the visit of an event to append.
func (l *Log) visitNumber(b *batch, h *Header) (visit, error) {
	v := visit{key: keyOf(h.Role, h.NodeID), taken: h.Role == Recoverable}
	for _, other := range slices.Backward(b.block.visits) {
		if other.key == v.key {
			v.n = other.n + 1
			return v, nil
		}
	}
	n, ok := b.block.before[v.key]
	if !ok {
		var err error
		if n, err = l.reader(b.run).visitsBefore(context.Background(), v.key); err != nil {
			return v, err
		}
		b.block.know(v.key, n)
	}
	v.n = n + 1
	return v, nil
}

// maxKnownVisits bounds the nodes whose number of visits a live run remembers.
const maxKnownVisits = 256

func (b *openBlock) know(key visitKey, n uint64) {
	if b.before == nil {
		b.before = map[visitKey]uint64{}
	}
	b.before[key] = n
}

// trim forgets what can be read back, once the entries of the blocks that were filled are
// in the storage.
func (b *openBlock) trim() {
	if len(b.before) > maxKnownVisits {
		b.before = nil
	}
}

// add adds the next event's visit, and returns the entries of the block if that is full.
func (b *openBlock) add(v visit, seq uint64) []driver.Entry {
	v.seq = seq
	b.visits = append(b.visits, v)
	if seq%visitBlock != 0 {
		return nil
	}
	var entries []driver.Entry
	for _, e := range indexVisits(b.visits) {
		entries = append(entries, e.entry())
		b.know(e.key, e.last)
	}
	b.visits = nil
	return entries
}

// visitsBefore returns how many visits of a node there were before the open block.
func (r *reader) visitsBefore(ctx context.Context, key visitKey) (uint64, error) {
	if from, _ := blockOf(r.run.Last + 1); from == 1 && r.run.Anchor == 0 {
		return 0, nil
	}
	n := uint64(0)
	for _, space := range []byte{spaceTaken, spaceDropped} {
		e, ok, err := r.visitEntryBelow(ctx, space, key, MaxSeq)
		if err != nil {
			return 0, err
		}
		if ok {
			n = max(n, e.last)
		}
	}
	if n == 0 && r.run.Anchor > 0 {
		return r.visitsDropped(ctx, key)
	}
	return n, nil
}

// nthVisit returns the seq of the nth visit of a node, 0 if there is none.
func (r *reader) nthVisit(ctx context.Context, key visitKey, n uint64) (uint64, error) {
	var best visitEntry
	for _, space := range []byte{spaceTaken, spaceDropped} {
		e, ok, err := r.visitEntryBelow(ctx, space, key, n)
		if err != nil {
			return 0, err
		}
		if ok && e.first > best.first {
			best = e
		}
		if n <= best.last { // no other entry has it
			break
		}
	}
	from, to := blockOf(r.run.Last + 1)
	switch {
	case best.first == n:
		return best.seqFirst, nil
	case best.first > 0 && n <= best.last:
		_, to = blockOf(best.seqFirst)
		from = best.seqFirst
	}
	to = min(to, r.run.Last)
	if best.last > best.first && best.newest > 0 { // where it is if the node is one of a loop
		at := best.seqFirst + (best.newest-best.seqFirst)*(n-best.first)/(best.last-best.first)
		if low, high := max(from, at-min(at, 6)), min(to, at+6); low <= high {
			visits, err := r.visits(ctx, low, high)
			if err != nil {
				return 0, err
			}
			for _, v := range visits {
				switch {
				case v.key != key:
				case v.n == n:
					return v.seq, nil
				case v.n < n:
					from = max(from, v.seq+1)
				default:
					to = min(to, v.seq-1)
				}
			}
		}
	}
	visits, err := r.visits(ctx, from, to)
	if err != nil {
		return 0, err
	}
	for _, v := range visits {
		if v.key == key && v.n == n {
			return v.seq, nil
		}
	}
	return 0, damageOf(visits)
}
