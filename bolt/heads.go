package bolt

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// Heads implements [log.Backend].
func (b *Backend) Heads(ctx context.Context, req log.HeadsRequest) (out []log.Head, err error) {
	err = b.view(ctx, func(tx *bbolt.Tx) (err error) {
		heads, err := bucket(tx, headsBucket)
		if err != nil {
			return err
		}
		if req.Newest {
			out, err = newest(tx, heads, req)
		} else {
			out, err = byID(tx, heads, req)
		}
		return err
	})
	return out, err
}

func byID(tx *bbolt.Tx, heads *bbolt.Bucket, req log.HeadsRequest) ([]log.Head, error) {
	var out []log.Head
	c := heads.Cursor()
	k, v := c.Seek([]byte(max(req.Prefix, req.After.Run)))
	for ; k != nil && len(out) < req.Limit && strings.HasPrefix(string(k), req.Prefix); k, v = c.Next() {
		if string(k) == req.After.Run {
			continue
		}
		out = append(out, listed(tx, string(k), v))
	}
	return out, nil
}

var errIndex = corrupt("", 0, "the index of runs by their last event is damaged")

// newest goes back in the index minute by minute, and sorts within each.
func newest(tx *bbolt.Tx, heads *bbolt.Bucket, req log.HeadsRequest) ([]log.Head, error) {
	recent, err := bucket(tx, recentBucket)
	if err != nil {
		return nil, err
	}
	c := recent.Cursor()
	k, v := c.Last()
	if req.After.Run != "" {
		if k, _ = c.Seek(numberKey(minute(req.After.Recency) + 1)); k != nil {
			k, v = c.Prev()
		} else {
			k, v = c.Last()
		}
	}
	var out, group []log.Head
	for at := uint64(0); ; k, v = c.Prev() {
		if k != nil && len(k) <= 8 {
			return nil, errIndex
		}
		if k == nil || binary.BigEndian.Uint64(k) != at {
			slices.SortFunc(group, descending)
			out = append(out, group[:min(len(group), req.Limit-len(out))]...)
			if k == nil || len(out) == req.Limit {
				return out, nil
			}
			group, at = group[:0], binary.BigEndian.Uint64(k)
		}
		id := string(k[8:])
		if !strings.HasPrefix(id, req.Prefix) {
			continue
		}
		row := heads.Get(k[8:])
		if row == nil {
			return nil, errIndex
		}
		h := listed(tx, id, row)
		if minute(h.Recency) != at { // the run is damaged, or its place
			if len(v) != 4 || binary.LittleEndian.Uint32(v) != checksum(kindRecent, 0, 0, k) {
				return nil, errIndex
			}
			h.Recency = at * 60e9
		}
		if req.After.Run == "" || descending(req.After, h) < 0 {
			group = append(group, h)
		}
	}
}

// listed returns the head of a run that has a row; if it can't be found out, one that
// the engine sees to be damaged.
func listed(tx *bbolt.Tx, id string, row []byte) log.Head {
	r, err := load(tx, id, row)
	if err != nil {
		return log.Head{Run: id, Sum: 1}
	}
	return r.where()
}

// descending orders heads newest first.
func descending(x, y log.Head) int {
	return cmp.Or(cmp.Compare(y.Recency, x.Recency), strings.Compare(y.Run, x.Run))
}
