// Package local prepares several servers on this machine: ports of the
// loopback, and for each server a zoo.cfg and a data directory with its myid.
//
// It owns the form of these files. It starts nothing.
package local

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Configure writes zooN.cfg and N/myid into dir for a server at each of the
// client ports, N from 1, and returns the names of the configurations.
// Settings are further lines, the same for all. Several servers are an
// ensemble; one stands alone.
func Configure(dir string, clientPorts []int, settings string) ([]string, error) {
	n := len(clientPorts)
	if n > 1 {
		peer, err := FreePorts(2*n, clientPorts...)
		if err != nil {
			return nil, err
		}
		for i := range n {
			settings += fmt.Sprintf("server.%d=127.0.0.1:%d:%d;127.0.0.1:%d\n", i+1, peer[2*i], peer[2*i+1], clientPorts[i])
		}
	}
	files := make([]string, n)
	for i, port := range clientPorts {
		id := strconv.Itoa(i + 1)
		data := filepath.Join(dir, id)
		files[i] = filepath.Join(dir, "zoo"+id+".cfg")
		text := fmt.Sprintf("dataDir=%s\nclientPort=%d\n%s", filepath.ToSlash(data), port, settings)
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, fmt.Errorf("cannot make a directory for the data: %w", err)
		}
		if err := os.WriteFile(filepath.Join(data, "myid"), []byte(id+"\n"), 0o644); err != nil {
			return nil, fmt.Errorf("cannot prepare a server: %w", err)
		}
		if err := os.WriteFile(files[i], []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("cannot prepare a server: %w", err)
		}
	}
	return files, nil
}

// FreePorts asks the system for ports that nobody uses, other than those of
// except, which are meant for somebody else.
func FreePorts(n int, except ...int) ([]int, error) {
	var ports []int
	for len(ports) < n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("cannot get a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // all are held until the last is known
		if port := l.Addr().(*net.TCPAddr).Port; !slices.Contains(except, port) {
			ports = append(ports, port)
		}
	}
	return ports, nil
}
