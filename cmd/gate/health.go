package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"error-check-gate/internal/config"
)

const (
	healthTimeout = 4 * time.Second
	maxHealth     = 4 << 10
)

func newHealthCommand() *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the gate's process on this machine whether it is ready",
		Long: `Send GET /readyz to ADMIN_ADDR, the address at which each process of the gate
answers probes. Use the command as the health check of an image that contains
only gate.

Exit status: 0 ready, 1 not ready or not running, 2 wrong configuration.`,
		Args: exactArgs(0, "gate health takes no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if page != "" {
				if err := askReady(cmd.Context(), page); err != nil {
					return &exitError{code: exitFault, err: err}
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "ready")
				return err
			}
			settings, err := config.LoadHealth(config.OS())
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			page, err := readyPage(settings.AdminAddr)
			if err == nil {
				err = askReady(cmd.Context(), page)
			}
			if err != nil {
				return &exitError{code: exitFault,
					err: fmt.Errorf("ADMIN_ADDR=%s: %w", settings.AdminAddr, err)}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return err
		},
	}
	cmd.Flags().StringVar(&page, "url", "", "ask this page instead; 200 is ready")
	return cmd
}

func readyPage(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	// A process that listens on every address also listens on loopback.
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// askReady returns the process's own error if it answers that it is not ready.
func askReady(ctx context.Context, page string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return err
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without HTTP_PROXY
	response, err := direct.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var answer struct {
		Error string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil || json.Unmarshal(body, &answer) != nil || answer.Error == "" {
		return fmt.Errorf("%s answered with %s: is it a process of gate?", page, response.Status)
	}
	return errors.New("not ready: " + answer.Error)
}
