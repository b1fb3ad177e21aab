package engines

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// redisPlan keeps nothing on disk: what is in it may be lost, and is at every start.
func redisPlan() plan {
	return plan{
		prepare: func(ctx context.Context, _ *Server) error {
			if _, err := exec.LookPath("redis-server"); err == nil {
				return nil
			}
			return install(ctx, "redis-server")
		},
		command: func(s *Server) *exec.Cmd {
			return exec.Command("redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
				"--dir", s.dir, "--save", "", "--appendonly", "no")
		},
		probe: ping,
		env:   func(s *Server) []string { return []string{"KAKEHASHI_TEST_REDIS=redis://" + address(s.port)} },
		quit:  syscall.SIGTERM, orphan: syscall.SIGKILL,
	}
}

// ping is a PING that is answered.
func ping(ctx context.Context, s *Server) error {
	said, err := s.redis(ctx, "PING")
	if err == nil && said != "+PONG" {
		err = fmt.Errorf("PING is answered by %q", said)
	}
	return err
}

// Flush empties a Redis.
func (s *Server) Flush(ctx context.Context) error {
	_, err := s.redis(ctx, "FLUSHALL")
	return err
}

// redis sends one command and gives the first line of what comes back.
func (s *Server) redis(ctx context.Context, command string) (string, error) {
	var dial net.Dialer
	c, err := dial.DialContext(ctx, "tcp", address(s.port))
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", fmt.Errorf("send %s: %w", command, err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the reply to %s: %w", command, err)
	}
	return strings.TrimSpace(line), nil
}
