package bolt

// What bbolt puts on a leaf page before its keys, and for each of them and for a bucket
// besides the key, in bytes; and the fewest keys of a page.
const (
	pageHeader = 16
	perKey     = 16
	perBucket  = 16
	pageKeys   = 2
)

// slack returns how much space a copy would save in the pages of runs and of entries.
// When the values on a page get shorter, like those of pruned events, or fewer, bbolt
// leaves the page as it is until it is nearly empty. slack reads keys and no values.
func (h *handle) slack() (n int64, err error) {
	err = h.view(func(tx *transaction) error {
		runs, err := bucket(tx, runsBucket)
		if err != nil {
			return err
		}
		entries, err := bucket(tx, entriesBucket)
		if err != nil {
			return err
		}
		page := h.db.Info().PageSize
		n = slackOf(entries, page)
		runs.eachBucket(func(_ []byte, run *tree) { n += slackOf(run, page) })
		return nil
	})
	return n, err
}

// slackOf is the slack of one bucket, without that of the buckets in it.
func slackOf(b *tree, page int) int64 {
	taken := b.Stats().LeafAlloc
	if taken <= page {
		return 0
	}
	needed, keys, used := 0, 0, pageHeader
	full := func() {
		needed += (used + page - 1) / page * page
		keys, used = 0, pageHeader
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		size := perKey + len(k) + len(v)
		if v == nil {
			s := b.Bucket(k).Stats()
			taken -= s.LeafAlloc
			size += perBucket + s.InlineBucketInuse
		}
		if keys >= pageKeys && used+size > page {
			full()
		}
		keys, used = keys+1, used+size
	}
	full()
	return int64(max(0, taken-needed))
}
