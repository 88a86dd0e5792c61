package bolt

import (
	"cmp"
	"context"
	"encoding/binary"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// Heads implements [driver.Backend].
func (b *Backend) Heads(ctx context.Context, req driver.HeadsRequest) (out []driver.Head, err error) {
	err = b.view(ctx, func(tx *transaction) (err error) {
		heads, err := bucket(tx, headsBucket)
		if err != nil {
			return err
		}
		if req.Newest {
			out, err = newest(ctx, tx, heads, req)
		} else {
			out, err = byID(tx, heads, req), nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func byID(tx *transaction, heads *tree, req driver.HeadsRequest) []driver.Head {
	var out []driver.Head
	c := heads.Cursor()
	k, v := c.Seek([]byte(max(req.Prefix, req.After.Run)))
	for ; k != nil && len(out) < req.Limit && strings.HasPrefix(string(k), req.Prefix); k, v = c.Next() {
		if string(k) != req.After.Run {
			out = append(out, listed(tx, string(k), v))
		}
	}
	return out
}

// listed returns the head of a run that has a row. If it can't be read at all, its Sum is
// wrong, so that the engine sees the damage.
func listed(tx *transaction, id string, row []byte) driver.Head {
	r, err := load(tx, id, row)
	if err != nil {
		return driver.Head{Run: id, Sum: 1}
	}
	return r.where(false)
}

// walk is a cursor over the runs of one class, newest first.
type walk struct {
	c    *cursor
	k, v []byte // nil at the end
	place
	id string
}

var errPlaces = corrupt("", 0, "the order of runs is damaged")

// newest merges the classes, each of which is in order.
func newest(ctx context.Context, tx *transaction, heads *tree, req driver.HeadsRequest) ([]driver.Head, error) {
	places, err := bucket(tx, placesBucket)
	if err != nil {
		return nil, err
	}
	walks, err := classes(places, req)
	if err != nil {
		return nil, err
	}
	var out []driver.Head
	for passed := 0; len(out) < req.Limit; passed++ {
		next := latest(walks)
		if next == nil {
			break
		}
		if strings.HasPrefix(next.id, req.Prefix) {
			h, err := next.head(tx, heads)
			if err != nil {
				return nil, err
			}
			out = append(out, h)
		} else if passed%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := next.to(next.c.Prev()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// classes returns a walk for each requested class that has runs, at the first run of the
// page.
func classes(places *tree, req driver.HeadsRequest) ([]*walk, error) {
	if req.Class != nil {
		w, err := walkFrom(places, *req.Class, req.After)
		return []*walk{w}, err
	}
	var walks []*walk
	c := places.Cursor()
	for k, _ := c.Last(); k != nil; k, _ = before(c, k[:1]) {
		w, err := walkFrom(places, k[0], req.After)
		if err != nil {
			return nil, err
		}
		walks = append(walks, w)
	}
	return walks, nil
}

// walkFrom begins below a head, or with the newest run of the class for the zero Head.
func walkFrom(places *tree, class uint8, after driver.Head) (*walk, error) {
	w := &walk{c: places.Cursor(), place: place{class: class}}
	switch {
	case after.Run != "":
		return w, w.to(before(w.c, place{class, after.Place}.key(after.Run)))
	case class == 255:
		return w, w.to(w.c.Last())
	}
	return w, w.to(before(w.c, []byte{class + 1}))
}

// to takes the cursor's result.
func (w *walk) to(k, v []byte) error {
	if k == nil || k[0] != w.class {
		w.k = nil
		return nil
	}
	var ok bool
	if w.place, w.id, ok = placeOf(k); !ok {
		return errPlaces
	}
	w.k, w.v = k, v
	return nil
}

// latest returns the walk at the newest run, nil if all are at their ends.
func latest(walks []*walk) *walk {
	var best *walk
	for _, w := range walks {
		if w.k != nil && (best == nil || cmp.Or(cmp.Compare(w.at, best.at), strings.Compare(w.id, best.id)) > 0) {
			best = w
		}
	}
	return best
}

// head returns the head of the run that the walk is at. For a run whose row is lost, it
// returns one that the engine recognises as damaged.
func (w *walk) head(tx *transaction, heads *tree) (driver.Head, error) {
	h := driver.Head{Run: w.id, Sum: 1}
	if row := heads.Get([]byte(w.id)); row != nil {
		h = listed(tx, w.id, row)
		if h.Place == w.at && h.Class == w.class {
			return h, nil
		}
	}
	// The run is damaged, or the order is.
	if len(w.v) != 4 || binary.LittleEndian.Uint32(w.v) != checksum(kindPlace, 0, 0, w.k) {
		return driver.Head{}, errPlaces
	}
	h.Place, h.Class, h.Recency = w.at, w.class, max(h.Recency, w.at)
	return h, nil
}
