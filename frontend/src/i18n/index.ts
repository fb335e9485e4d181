import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

import en from './en.json';
import ptBR from './pt-BR.json';

export const LANGUAGES = ['pt-BR', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

/* The compiler refuses a text that is missing in Portuguese. */
const portuguese: typeof en = ptBR;

const KEY = 'helpdesk.language';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

/* What was chosen before, else the browser's, else English. */
function firstLanguage(): Language {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages];
  for (const tag of wanted) {
    if (tag?.toLowerCase().startsWith('pt')) return 'pt-BR';
    if (tag?.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

function showLanguage(language: string): void {
  document.documentElement.lang = language;
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(KEY, language);
  void i18next.changeLanguage(language);
}

i18next.on('languageChanged', showLanguage);
void i18next.use(initReactI18next).init({
  resources: { en: { translation: en }, 'pt-BR': { translation: portuguese } },
  lng: firstLanguage(),
  fallbackLng: 'en',
  // React escapes already.
  interpolation: { escapeValue: false },
});
