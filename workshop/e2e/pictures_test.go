package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"error-check-gate/workshop/internal/browsertest"
)

// maxPicture limits the size of a picture, in bytes, because every clone downloads it.
const maxPicture = 150_000

// TestPictures writes the pictures of the README and docs/desk.md to the folder PICTURES, from what
// 'gate dev' shows. 'make pictures' runs it.
func TestPictures(t *testing.T) {
	folder := os.Getenv("PICTURES")
	if folder == "" {
		t.Skip("'make pictures' runs it")
	}
	tab := browsertest.Start(t, 3*time.Minute)
	env, ports := devEnvironment(t, filepath.Join(t.TempDir(), "state"))
	dev := startGate(t, env, "dev")
	dev.waitForLine(func(line string) bool { // the last of the sample orders that goes wrong
		fields := strings.Fields(line)
		return len(fields) > 1 && fields[0] == "SO-001041" && fields[1] == "failed"
	})
	desk := fmt.Sprintf("http://127.0.0.1:%d", ports.desk)
	take := func(name string, height int64, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}},
		})
		require.NoError(t, err)
		require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(1200, height)))
		require.NoError(t, chromedp.Do(tab, steps...), name)
		picture, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		assert.Less(t, len(picture), maxPicture, name)
		//nolint:gosec // everybody may see it
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), picture, 0o644))
	}
	take("orders.png", 800, chromedp.Navigate(desk+"/"), browsertest.Contains("table", "SO-001041"))
	take("order.png", 850, chromedp.Navigate(desk+"/?q=SO-001041"), chromedp.Click(`table a`),
		browsertest.Contains("h1", "SO-001041"))
}
