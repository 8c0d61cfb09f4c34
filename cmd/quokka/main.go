// Quokka is Apache ZooKeeper's service as one program: the server and its
// tools.
package main

import (
	"os"

	"quokka/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Std()))
}
