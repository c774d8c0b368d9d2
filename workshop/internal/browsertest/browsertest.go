// Package browsertest tests pages in a real browser.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Start starts Chromium and returns a tab. The variable CHROMIUM has the path of the program. If it
// is empty, Start looks on the PATH; 'make tools' installs Chromium there. CHROMIUM=none skips the
// test. All actions in the tab end after limit, in case a page hangs.
func Start(
	t *testing.T, limit time.Duration, more ...chromedp.ExecAllocatorOption,
) (tab context.Context) {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "none" {
		t.Skip("CHROMIUM=none: the test does not open the page in a browser")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	require.NotEmpty(
		t, path, "this needs a browser: run 'make tools', set CHROMIUM to its path, "+
			"or CHROMIUM=none to skip this test")
	// The page is our own, so it needs no sandbox. Chromium's does not work for root or in many
	// containers.
	allocator, stop := chromedp.NewExecAllocator(t.Context(),
		append(chromedp.DefaultExecAllocatorOptions[:],
			append([]chromedp.ExecAllocatorOption{
				chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900),
				chromedp.WSURLReadTimeout(limit),
				// Otherwise Chromium drops keys that are pressed before it has painted the page.
				chromedp.Flag("allow-pre-commit-input", true),
			}, more...)...)...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(tab), "start the browser")
	limited, cancel := context.WithTimeout(tab, limit)
	t.Cleanup(cancel)
	return limited
}

// Complaints collects a browser's messages about faults of pages, such as failed scripts and
// violations of the page's policy. It ignores refused requests.
type Complaints struct {
	mu    sync.Mutex
	texts []string
}

// Listen collects complaints until the tab closes.
func Listen(tab context.Context) *Complaints {
	c := &Complaints{}
	go func() {
		for message, err := range chromedp.Console(tab) {
			if err != nil {
				return // the browser is gone
			}
			if message.Source != "network" && (message.IsException() || message.Type == "error") {
				c.mu.Lock()
				c.texts = append(c.texts, message.String())
				c.mu.Unlock()
			}
		}
	}()
	return c
}

// All returns the complaints so far.
func (c *Complaints) All() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// Contains waits until an element exists and has the text.
func Contains(selector, text string) chromedp.Action[chromedp.Void] {
	return Holds(`document.querySelector(` + Quote(selector) + `)?.innerText.includes(` + Quote(text) +
		`)`)
}

// Holds waits until a JavaScript expression is true. It tries again after an error, because the
// browser may be replacing the page, or its script may not have run yet.
func Holds(expression string) chromedp.Action[chromedp.Void] {
	question := chromedp.Evaluate[bool](`!!(` + expression + `)`)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			if yes, err := question(ctx, target); yes && err == nil {
				return nil
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				return fmt.Errorf("wait for %s: %w", expression, ctx.Err())
			}
		}
	})
}

// Overwrite replaces the content of a field by typing.
func Overwrite(selector, keys string) chromedp.Action[chromedp.Void] {
	selected := chromedp.Evaluate[bool](`document.querySelector(` + Quote(selector) +
		`).select() === undefined`)
	return chromedp.Steps(chromedp.Focus(selector),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := selected(ctx, target)
			return err
		}), chromedp.KeyEvent(keys))
}

// Quote returns a text as a JavaScript literal.
func Quote(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", `\'`) + "'"
}
