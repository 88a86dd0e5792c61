package bolt

import (
	"bytes"
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

// Check implements [driver.Checker]: it walks over all buckets and checks that their keys
// are in order. Pages have no checksum, so there is nothing else to check.
func (b *Backend) Check(ctx context.Context) error {
	return b.view(ctx, func(tx *transaction) error { return inOrder(ctx, tx.Cursor(), tx.Bucket) })
}

// inOrder checks a bucket and those in it.
func inOrder(ctx context.Context, c *cursor, nested func(name []byte) *tree) error {
	var before []byte
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if before != nil && bytes.Compare(before, k) >= 0 {
			return corrupt("", 0, outOfOrder)
		}
		before = k
		if v != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		in := nested(k)
		if in == nil {
			return corrupt("", 0, "a bucket that is listed can't be found")
		}
		if err := inOrder(ctx, in.Cursor(), in.Bucket); err != nil {
			return err
		}
	}
	return nil
}
