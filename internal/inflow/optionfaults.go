package inflow

import (
	"net/url"
	"time"

	"error-check-gate/internal/localonly"
	"error-check-gate/internal/option"
)

// integrationsPage is InFlow's page that shows the company id and makes API keys.
const integrationsPage = "https://app.inflowinventory.com/options/integrations"

// maxCompanyID is more than twice the length of a UUID, which InFlow's company ids are.
const maxCompanyID = 100

// Faults returns everything that is wrong with the options. It makes no request. It quotes no
// value, because an operator may have pasted a secret into the wrong setting.
func (o *Options) Faults() option.Faults {
	var faults option.Faults
	if o.BaseURL != "" {
		o.checkBaseURL(&faults)
	}
	switch {
	case o.CompanyID == "":
		faults.Add("CompanyID", "is not set: write the company id that InFlow shows at %s",
			integrationsPage)
	case len(o.CompanyID) > maxCompanyID || !isPlainToken(o.CompanyID):
		faults.Add("CompanyID", "is not a company id: write only the id that InFlow shows at %s",
			integrationsPage)
	}
	switch {
	case o.APIKey == "":
		faults.Add("APIKey", "is not set: write an API key that you created at %s", integrationsPage)
	case !isVisibleASCII(o.APIKey):
		faults.Add("APIKey",
			"has a space, a control character or a non-ASCII letter: write only the key")
	}
	if _, err := time.Parse(time.DateOnly, o.APIVersion); o.APIVersion != "" && err != nil {
		faults.Add("APIVersion", "is not a version of InFlow's API: write a date such as %s",
			DefaultAPIVersion)
	}
	if o.Timeout < 0 {
		faults.Add("Timeout", "%v is negative: write 0 or more", o.Timeout)
	}
	return faults
}

func (o *Options) checkBaseURL(faults *option.Faults) {
	const field = "BaseURL"
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil: // its text would quote the URL, which may hold a password
		faults.Add(field, "is not a URL: write one such as %s", DefaultBaseURL)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		faults.Add(field, "is not an https:// URL with a host: write one such as %s", DefaultBaseURL)
	case u.User != nil:
		faults.Add(field, "has a user or password before the host: remove it")
	case u.RawQuery != "" || u.Fragment != "":
		faults.Add(field, "has a query or a fragment: remove everything from ? or # on")
	case u.Scheme == "http" && !localonly.Host(u.Hostname()):
		faults.Add(field, "starts with http:// and its host is another machine: "+
			"the API key would be sent unencrypted; write https://")
	}
}

// isPlainToken reports whether text needs no escaping in a path segment or a header parameter.
func isPlainToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_',
			c == '-':
		default:
			return false
		}
	}
	return text != "" && text != "." && text != ".."
}

func isVisibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
