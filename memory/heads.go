package memory

import (
	"context"
	"math"
	"strings"

	"github.com/tidwall/btree"

	"github.com/flowlog/checkpoint/driver"
)

// place is where a run is listed.
type place struct {
	class uint8 // 0 in Backend.places
	at    uint64
	id    string
	run   *run
}

type places = btree.BTreeG[place]

func newPlaces() *places {
	return btree.NewBTreeGOptions(func(x, y place) bool {
		switch {
		case x.class != y.class:
			return x.class < y.class
		case x.at != y.at:
			return x.at < y.at
		}
		return x.id < y.id
	}, btree.Options{NoLocks: true})
}

// place puts a run where it belongs by its row. It wants the lock held.
func (b *Backend) place(r *run) {
	b.places.Set(place{at: r.row.Place, id: r.row.Run, run: r})
	b.classes.Set(place{class: r.row.Class, at: r.row.Place, id: r.row.Run, run: r})
}

// displace undoes place, if it was done. It wants the lock held, and the unchanged row.
func (b *Backend) displace(r *run) {
	b.places.Delete(place{at: r.row.Place, id: r.row.Run})
	b.classes.Delete(place{class: r.row.Class, at: r.row.Place, id: r.row.Run})
}

// Head implements [driver.Backend].
func (b *Backend) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	if err := b.enter(ctx); err != nil {
		return driver.Head{}, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs.Get(req.Run)
	if !ok {
		return driver.Head{}, driver.ErrNotFound
	}
	h := r.head()
	if req.Tip {
		h.Tip = r.tip()
	}
	return h, nil
}

// Heads implements [driver.Backend].
func (b *Backend) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	if req.Newest {
		return b.newest(req), nil
	}
	var heads []driver.Head
	b.runs.Ascend(max(req.Prefix, req.After.Run), func(id string, r *run) bool {
		if !strings.HasPrefix(id, req.Prefix) {
			return false // the run is after all runs with the prefix
		}
		if id != req.After.Run {
			heads = append(heads, r.head())
		}
		return len(heads) < req.Limit
	})
	return heads, nil
}

// newest lists runs by place. It wants the lock held.
func (b *Backend) newest(req driver.HeadsRequest) []driver.Head {
	tree, from := b.places, place{at: math.MaxUint64}
	if req.Class != nil {
		tree, from.class = b.classes, *req.Class
	}
	if req.After.Run != "" {
		from.at, from.id = req.After.Place, req.After.Run
	}
	var heads []driver.Head
	tree.Descend(from, func(p place) bool {
		if p.class != from.class {
			return false
		}
		if strings.HasPrefix(p.id, req.Prefix) && (p.at != from.at || p.id != from.id) {
			heads = append(heads, p.run.head())
		}
		return len(heads) < req.Limit
	})
	return heads
}
