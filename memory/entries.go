package memory

import (
	"bytes"
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// Entries implements [driver.Backend].
func (b *Backend) Entries(ctx context.Context, req driver.EntriesRequest) ([]driver.Entry, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs.Get(req.Run)
	if !ok {
		return nil, nil
	}
	var out []driver.Entry
	var size int64
	r.scan(req.EntryRange, req.Reverse, func(key string, value []byte) bool {
		size += int64(len(key) + len(value))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			return false
		}
		out = append(out, driver.Entry{Key: []byte(key), Value: bytes.Clone(value)})
		return len(out) < req.Limit
	})
	return out, nil
}

// scan calls do for the entries of a range until it returns false.
func (r *run) scan(in driver.EntryRange, reverse bool, do func(key string, value []byte) bool) {
	from, to := string(in.From), string(in.To)
	inside := func(key string) bool { return key >= from && (in.To == nil || key < to) }
	switch {
	case !reverse:
		r.entries.Ascend(from, func(key string, value []byte) bool { return inside(key) && do(key, value) })
	case in.To == nil:
		r.entries.Reverse(func(key string, value []byte) bool { return inside(key) && do(key, value) })
	default:
		r.entries.Descend(to, func(key string, value []byte) bool {
			return key == to || inside(key) && do(key, value)
		})
	}
}

// remove removes the entries of a range.
func (r *run) remove(in driver.EntryRange) {
	var keys []string
	r.scan(in, false, func(key string, _ []byte) bool {
		keys = append(keys, key)
		return true
	})
	for _, key := range keys {
		r.entries.Delete(key)
	}
}
