// The page's words in the visitor's language.

import de from './languages/de.json';
import en from './languages/en.json';
import es from './languages/es.json';

const LANGUAGES = {en, de, es};
let words = en;

/** The visitor's first language that there is; English else. */
export function preferred() {
  const kept = localStorage.getItem('language');
  const wanted = [kept, ...(navigator.languages ?? [])].map((tag) => tag?.slice(0, 2));
  return wanted.find((tag) => tag in LANGUAGES) ?? 'en';
}

/** The text of `key`, with {names} in it filled from `values`. */
export function text(key, values = {}) {
  return (words[key] ?? en[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

/** Write the page in a language. */
export function use(language) {
  words = LANGUAGES[language];
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-i18n]')) element.textContent = text(element.dataset.i18n);
  for (const element of document.querySelectorAll('[data-i18n-label]')) {
    element.setAttribute('aria-label', text(element.dataset.i18nLabel));
    if (element.matches('button')) element.title = text(element.dataset.i18nLabel);
  }
}
