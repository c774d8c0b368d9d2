package pages

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	colorVariable = regexp.MustCompile(`--([a-z-]+):\s*#([0-9a-f]{3}|[0-9a-f]{6});`)
	colorUse      = regexp.MustCompile(`var\(--([a-z-]+)\)`)
	cssRule       = regexp.MustCompile(`([^{}]+)\{([^{}]*)\}`)
)

// TestColorsCanBeRead checks the contrasts that WCAG 2.2 asks for: 4.5:1 between text and its
// background, 3:1 at the edges of fields and of the element with the focus.
func TestColorsCanBeRead(t *testing.T) {
	t.Parallel()
	css, err := assetFiles.ReadFile("static/desk.css")
	require.NoError(t, err)
	light, rest, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark) {")
	require.True(t, ok)
	dark, rules, ok := strings.Cut(rest, "\n}\n")
	require.True(t, ok)
	for scheme, definitions := range map[string]string{"light": light, "dark": dark} {
		colors := map[string][3]float64{}
		for _, m := range colorVariable.FindAllStringSubmatch(definitions, -1) {
			colors[m[1]] = parseColor(t, m[2])
		}
		requireContrast := func(text, behind string, least float64) {
			t.Helper()
			require.Contains(t, colors, text)
			require.Contains(t, colors, behind)
			got := contrast(colors[text], colors[behind])
			assert.GreaterOrEqual(t, got, least, "%s: %s on %s", scheme, text, behind)
		}
		// A rule that has a color and a background uses them together.
		pairs := 0
		for _, m := range cssRule.FindAllStringSubmatch(rules, -1) {
			text, behind := declared(m[2], "color"), declared(m[2], "background")
			if text != "" && behind != "" {
				requireContrast(text, behind, 4.5)
				pairs++
			}
		}
		assert.Greater(t, pairs, 5, "the test found the rules")
		for _, text := range []string{"fg", "link", "muted", "bad", "warn", "good"} {
			requireContrast(text, "bg", 4.5)
		}
		for _, text := range []string{"fg", "link", "muted"} { // in the header, counts and notices
			requireContrast(text, "soft", 4.5)
		}
		for _, text := range []string{"fg", "link"} { // links in notices
			for _, behind := range []string{"bad-bg", "warn-bg", "good-bg"} {
				requireContrast(text, behind, 4.5)
			}
		}
		for _, edge := range []string{"focus", "muted", "link"} {
			requireContrast(edge, "bg", 3)
			requireContrast(edge, "soft", 3)
		}
	}
	assert.NotRegexp(t, `#[0-9a-f]{3}`, rules, "use variables, so that each color has a dark variant")
}

// declared returns the variable that a rule uses for a property.
func declared(block, property string) string {
	for declaration := range strings.SplitSeq(block, ";") {
		name, value, _ := strings.Cut(declaration, ":")
		if m := colorUse.FindStringSubmatch(value); strings.TrimSpace(name) == property && m != nil {
			return m[1]
		}
	}
	return ""
}

func parseColor(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	for i := range c {
		value, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c[i] = float64(value) / 255
	}
	return c
}

// contrast returns WCAG's contrast ratio.
func contrast(a, b [3]float64) float64 {
	luminance := func(c [3]float64) float64 {
		for i, v := range c {
			if v <= 0.04045 {
				c[i] = v / 12.92
			} else {
				c[i] = math.Pow((v+0.055)/1.055, 2.4)
			}
		}
		return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	}
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}
