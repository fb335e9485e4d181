/* Shows a mail's HTML under a Content-Security-Policy that allows no inline style, in two steps:
 *
 * inert(html)  the same mail with nothing in it that acts or loads, and its styles set aside in attributes that mean nothing to a browser;
 * dress(page)  puts those styles on the loaded document through the CSSOM, which the policy allows (it guards markup, not scripts of ours).
 *
 * The mail was rendered by us, but people's words are in it: neither the escaping of the templates nor this file is the only guard. The frame
 * has a sandbox without scripts, and inherits the page's policy. */

const STYLE_ATTRIBUTE = 'data-mail-style';
const SHEET_ATTRIBUTE = 'data-mail-sheet';
const ACTING = 'script, link, meta, base, iframe, frame, object, embed, form, audio, video, source, template';

const COMMENT = /<!--[\s\S]*?-->/g;
const STYLE_ELEMENT = /<style\b[^>]*>([\s\S]*?)<\/style\s*>/gi;
const START_TAG = /<([a-z][^\s/>]*)((?:"[^"]*"|'[^']*'|[^>"'])*)>/gi;
const ATTRIBUTE = /([^\s"'=<>/]+)(\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?/g;

export function inert(html: string): string {
  const sheets: string[] = [];
  const mail = new DOMParser().parseFromString(setStylesAside(html, sheets), 'text/html');

  mail.documentElement.setAttribute(SHEET_ATTRIBUTE, sheets.join('\n'));
  for (const element of mail.querySelectorAll(ACTING)) element.remove();
  for (const image of mail.querySelectorAll('img')) image.replaceWith(image.alt);
  for (const element of mail.querySelectorAll('*')) disarm(element);
  return `<!doctype html>${mail.documentElement.outerHTML}`;
}

/* The policy holds for DOMParser, too: it applies no inline style and says so in the console. So styles are renamed, and handlers dropped, in the text before it is
 * parsed. What this might miss in odd markup is caught by disarm(), and blocked by the policy before. */
function setStylesAside(html: string, sheets: string[]): string {
  return html
    .replace(COMMENT, '')
    .replace(STYLE_ELEMENT, (_element, css: string) => {
      sheets.push(css);
      return '';
    })
    .replace(START_TAG, (_tag, name: string, attributes: string) => `<${name}${attributes.replace(ATTRIBUTE, setAttributeAside)}>`);
}

function setAttributeAside(attribute: string, name: string, value = ''): string {
  if (name.toLowerCase() === 'style') return STYLE_ATTRIBUTE + value;
  return name.toLowerCase().startsWith('on') ? '' : attribute;
}

function disarm(element: Element): void {
  for (const { name, value } of [...element.attributes]) {
    if (name === 'href') {
      // A preview's links go nowhere, but say where they would.
      element.removeAttribute(name);
      element.setAttribute('title', value);
    } else if (name === 'style' || name.startsWith('on') || ['background', 'src', 'srcset', 'xlink:href'].includes(name)) {
      element.removeAttribute(name);
    }
  }
}

export function dress(page: Document): void {
  const view = page.defaultView;
  if (view === null) return;

  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(withoutUrls(page.documentElement.getAttribute(SHEET_ATTRIBUTE) ?? ''));
  page.adoptedStyleSheets = [sheet];
  for (const element of page.querySelectorAll<HTMLElement>(`[${STYLE_ATTRIBUTE}]`)) {
    element.style.cssText = withoutUrls(element.getAttribute(STYLE_ATTRIBUTE) ?? '');
  }
}

/* Images of a style would be asked for, and refused by the policy with a line in the console. */
function withoutUrls(css: string): string {
  return css.replace(/url\([^)]*\)/gi, 'none');
}
