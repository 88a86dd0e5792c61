package bolt

import (
	"context"

	"github.com/flowlog/checkpoint/driver"
)

var (
	_ driver.Checker = (*Backend)(nil)
	_ driver.Eraser  = (*Backend)(nil)
	_ driver.Warner  = (*Backend)(nil)
)

// Warning implements [driver.Warner]: it says whether a meta page was damaged when the file
// was opened. The next commit overwrites that page, and then nothing shows the loss any more.
func (b *Backend) Warning() error { return b.warning }

// Check implements [driver.Checker]: it walks over all buckets. A cursor panics if keys are
// not in order. Pages have no checksum, so there is nothing else to check.
func (b *Backend) Check(ctx context.Context) error {
	return b.view(ctx, func(tx *transaction) error { return check(ctx, tx.all()) })
}

// check walks over a bucket and those in it.
func check(ctx context.Context, t *tree) error {
	c := t.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		in := t.Bucket(k)
		if in == nil {
			return corrupt("", 0, "a bucket that is listed can't be found")
		}
		if err := check(ctx, in); err != nil {
			return err
		}
	}
	return nil
}
