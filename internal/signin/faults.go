package signin

import (
	"net/url"

	"error-check-gate/internal/option"
)

// Faults returns everything that is wrong with the options that come from settings: Mode, Secrets,
// BaseURL, People, MayOverride and OIDC. It contacts nobody.
func (o *Options) Faults() option.Faults {
	var faults option.Faults
	switch o.Mode {
	case ModeNone:
		return nil
	case ModeMail, ModeOIDC:
	default:
		faults.Add("Mode", "%s is not a way to sign in: write mail, oidc or none",
			option.Quote(string(o.Mode)))
		return faults
	}
	_, err := checkBaseURL(o.BaseURL)
	faults.AddError("BaseURL", err)
	_, err = parsePeople(o.People)
	faults.AddError("People", err)
	if len(o.People) == 0 {
		faults.Add("People", "is not set, so nobody could sign in: "+
			"write addresses, or domains such as @example.com")
	}
	_, err = parsePeople(o.MayOverride)
	faults.AddError("MayOverride", err)
	faults.AddError("Secrets", checkSecrets(o.Secrets))
	if o.Mode == ModeOIDC {
		o.OIDC.check(&faults)
	}
	return faults
}

func (o *OIDC) check(faults *option.Faults) {
	const example = "write the provider's URL, such as https://accounts.google.com"
	issuer, err := url.Parse(o.Issuer)
	switch {
	case o.Issuer == "":
		faults.Add("OIDC.Issuer", "is not set: "+example)
	case err != nil, issuer.Host == "", issuer.User != nil, issuer.RawQuery != "",
		issuer.Fragment != "":
		faults.Add("OIDC.Issuer", "is not a URL with only a scheme, a host and a path: "+example)
	case issuer.Scheme != "https" && !isLocalHTTP(issuer):
		faults.Add("OIDC.Issuer", "is not an https:// URL: "+example)
	}
	if o.ClientID == "" {
		faults.Add("OIDC.ClientID", "is not set: write the client id that the provider gave you")
	}
	if o.ClientSecret == "" {
		faults.Add("OIDC.ClientSecret",
			"is not set: write the client secret that the provider gave you")
	}
}
