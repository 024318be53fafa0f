// The row of backgrounds: thumbnails that show a person before each.

import {rgb} from 'portraitnet-web';
import hills from './backgrounds/hills.jpg';
import lights from './backgrounds/lights.jpg';
import study from './backgrounds/study.jpg';
import {isVideo, openPhoto, openShipped, openVideo} from './files.js';
import {text} from './language.js';

const SHIPPED = {hills, study, lights};
const COLOURS = ['#208060', '#1d3557', '#ffffff'];
const PERSON = 'M20 24a8 8 0 1 1 16 0 8 8 0 1 1-16 0zM10 50c1-11 8-16 18-16s17 5 18 16z';

/** Fill the fieldset; `choose` hears the look's background and a drawable, `fail` an Error. */
export class Backgrounds {
  constructor(fieldset, choose, fail) {
    Object.assign(this, {fieldset, choose, fail, own: null, opened: {}});
    this.strength = 2;
    for (const value of ['blur', ...Object.keys(SHIPPED), ...COLOURS, 'none']) this.#add(value);
    this.#addOwn();
    fieldset.addEventListener('change', () => this.apply().catch(fail));
    this.translate();
  }

  #add(value) {
    const label = document.createElement('label');
    const input = Object.assign(document.createElement('input'), {type: 'radio', name: 'background', value});
    input.checked = value === 'blur';
    const thumbnail = document.createElement('span');
    thumbnail.className = `thumbnail ${value.startsWith('#') ? 'colour' : value}`;
    if (value in SHIPPED) thumbnail.append(Object.assign(new Image(), {src: SHIPPED[value], alt: ''}));
    if (value.startsWith('#')) thumbnail.dataset.colour = value;
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 56 50');
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', PERSON);
    svg.append(path);
    thumbnail.append(svg);
    if (value.startsWith('#')) thumbnail.style.backgroundColor = value;
    const name = Object.assign(document.createElement('span'), {className: 'name'});
    name.dataset.i18n = `bg-${value}`;
    label.append(input, thumbnail, name);
    this.fieldset.append(label);
    return label;
  }

  #addOwn() {
    const label = this.#add('own');
    label.querySelector('.thumbnail').textContent = '+';
    label.querySelector('input').id = 'own';
    const file = Object.assign(document.createElement('input'), {type: 'file', accept: 'image/*,video/*', id: 'picture'});
    file.dataset.i18nLabel = 'bg-own';
    label.querySelector('.thumbnail').after(file);
    file.addEventListener('change', () => file.files[0] && this.#open(file.files[0]));
    label.querySelector('#own').addEventListener('click', () => this.own || file.click());
  }

  async #open(file) {
    try {
      this.own = isVideo(file) ? await openVideo(file) : (await openPhoto(file, 4096)).still;
    } catch (error) {
      this.fail(error);
      return;
    }
    this.fieldset.querySelector('#own').checked = true;
    await this.apply();
  }

  translate() {
    for (const name of this.fieldset.querySelectorAll('.name')) name.textContent = text(name.dataset.i18n);
  }

  get chosen() {
    return this.fieldset.querySelector('input[name=background]:checked').value;
  }

  /** Tell what is chosen now. */
  async apply() {
    const {chosen} = this;
    if (chosen === 'blur') return this.choose({kind: 'blur', strength: this.strength});
    if (chosen === 'none') return this.choose({kind: 'none'});
    if (chosen.startsWith('#')) return this.choose({kind: 'colour', rgb: rgb(chosen)});
    if (chosen === 'own') return this.own && this.choose({kind: 'picture'}, this.own);
    this.opened[chosen] ??= await openShipped(SHIPPED[chosen]);
    return this.choose({kind: 'picture'}, this.opened[chosen]);
  }
}
