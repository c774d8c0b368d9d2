package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// row is a line of the table.
type row struct {
	what string
	// gate and other are the results of the rounds. other is empty if there is nothing to compare
	// with.
	gate, other []float64
	unit        string
	// target of the ratio, if any. better is "higher" or "lower".
	better string
	target float64
}

// ratios returns gate ÷ other for each round.
func (r *row) ratios() []float64 {
	list := make([]float64, 0, len(r.gate))
	for i := range min(len(r.gate), len(r.other)) {
		list = append(list, r.gate[i]/r.other[i])
	}
	return list
}

func (r *row) targetText() (target, verdict string) {
	if r.target == 0 || len(r.other) == 0 {
		return "", ""
	}
	got := median(r.ratios())
	sign, met := "≥", got >= r.target
	if r.better == "lower" {
		sign, met = "≤", got <= r.target
	}
	verdict = "ok"
	if !met {
		verdict = "missed"
	}
	return fmt.Sprintf("%s %.4g", sign, r.target), verdict
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// spread returns the median, and the minimum and maximum if there are several rounds.
func spread(list []float64, unit string) string {
	switch {
	case len(list) == 0:
		return ""
	case len(list) == 1:
		return number(list[0]) + unit
	}
	return fmt.Sprintf("%s%s (%s–%s)", number(median(list)), unit, number(slices.Min(list)),
		number(slices.Max(list)))
}

func number(f float64) string {
	switch {
	case f >= 100 || f == float64(int(f)):
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func table(rows []row) string {
	var b strings.Builder
	b.WriteString(
		"| what | gate | compared with | ratio | target | |\n|:---|---:|---:|---:|---:|:---|\n")
	for i := range rows {
		r := &rows[i]
		target, verdict := r.targetText()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.what, spread(r.gate, r.unit),
			spread(r.other, r.unit), spread(r.ratios(), ""), target, verdict)
	}
	return b.String()
}

// describe returns a text with the machine and the versions.
func describe(ctx context.Context, gate string) (string, error) {
	model, memory := "", ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if found := regexp.MustCompile(`model name\s*:\s*(.*)`).FindSubmatch(info); found != nil {
			model = strings.TrimSpace(string(found[1]))
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib float64
		if _, err := fmt.Sscanf(string(info), "MemTotal: %f kB", &kib); err == nil {
			memory = fmt.Sprintf(", %.0f GiB", kib/(1<<20))
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = nil
	}
	cli, err := temporalVersion(ctx)
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, gate, "--version").Output() //nolint:gosec // the command that was just built
	if err != nil {
		return "", fmt.Errorf("gate --version: %w", err)
	}
	return fmt.Sprintf("%s. %d cores (%s)%s, %s %s. %s, %s, %s.",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), cmp.Or(model, "unknown"),
		memory,
		runtime.GOOS, strings.TrimSpace(string(kernel)), runtime.Version(), cli,
		strings.TrimSpace(string(version))), nil
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}
