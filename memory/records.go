package memory

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// Records implements [driver.Backend].
func (b *Backend) Records(ctx context.Context, req driver.RecordsRequest) ([]driver.Record, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs.Get(req.Run)
	if !ok || len(r.records) == 0 {
		return nil, nil
	}
	from, to := max(req.From, r.records[0].Seq), min(req.To, r.last())
	var out []driver.Record
	var size int64
	for i := uint64(0); from <= to && i <= to-from && len(out) < req.Limit; i++ {
		seq := from + i
		if req.Reverse {
			seq = to - i
		}
		rec := r.record(seq)
		size += int64(len(rec.Header))
		if !req.HeadersOnly {
			size += int64(len(rec.State))
		}
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		out = append(out, cloneRecord(*rec, req.HeadersOnly))
	}
	return out, nil
}
