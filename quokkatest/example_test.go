package quokkatest_test

import (
	"context"
	"fmt"

	"quokka/client"
	"quokka/quokkatest"
)

// In a test, quokkatest.Start(t, 3) does without the error and the Close.
func ExampleNew() {
	servers, err := quokkatest.New(3, quokkatest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer servers.Close()
	ctx := context.Background()
	c, err := client.Dial(ctx, servers.ConnectString(), client.Options{RetryReads: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	path, err := c.Create(ctx, "/a", []byte("1"), client.Ephemeral)
	fmt.Println(path, err)
	// Output: /a <nil>
}
